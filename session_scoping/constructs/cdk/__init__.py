"""What the library adds to the CDK: policy documents and their sizes, checks at synth, facts of a stack and its roles."""
