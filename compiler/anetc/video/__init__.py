"""Video: decoding, clips, optical flow and data sets."""
