"""What people do to correct invoices that are issued: credit, void, void and reissue."""
