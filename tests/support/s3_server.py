"""An S3 server on loopback, moto's, for a test of a remote that lies in a bucket."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

KEYS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@contextmanager
def running_s3(bucket: str) -> Iterator[str]:
    """The address of a server with an empty bucket; skips the test without dvc-s3 or moto."""
    pytest.importorskip("dvc_s3", reason="needs the s3 extra: pip install '.[s3]'")
    moto = pytest.importorskip("moto.server", reason="needs moto: pip install 'moto[server]'")
    boto3 = pytest.importorskip("boto3", reason="needs moto: pip install 'moto[server]'")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        address = f"http://{host}:{port}"
        keys = {
            "aws_access_key_id": KEYS["AWS_ACCESS_KEY_ID"],
            "aws_secret_access_key": KEYS["AWS_SECRET_ACCESS_KEY"],
            "region_name": KEYS["AWS_DEFAULT_REGION"],
        }
        boto3.client("s3", endpoint_url=address, **keys).create_bucket(Bucket=bucket)
        yield address
    finally:
        server.stop()
