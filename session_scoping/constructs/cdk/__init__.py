"""What the library adds to the CDK: policy documents and their sizes, checks at synth, a stack's facts."""
