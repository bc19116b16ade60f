"""What is checked on a machine with a GPU: `bash tests/gpu/check.sh`."""
