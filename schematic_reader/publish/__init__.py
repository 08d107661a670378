"""Making the folder that goes to the Hub, and sending it."""
