"""What narrows every session of a role further: workload binding and revocation."""
