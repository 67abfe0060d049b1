"""Video: decoding, clips and optical flow."""
