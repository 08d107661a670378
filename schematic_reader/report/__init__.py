"""Tables behind the plots, charts and the page that shows them."""
