"""SessionBrokerRole: sessions whose source identity names their tenant."""
