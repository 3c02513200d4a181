"""Agents in pods of an EKS cluster, under EKS Pod Identity or IRSA."""
