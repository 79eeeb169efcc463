"""What all of Meta's emulated platforms share: the Graph API's manners and its webhooks."""
