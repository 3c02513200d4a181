"""Code that runs inside AWS Lambda, and the bundles that put it there."""
