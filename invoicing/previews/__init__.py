"""What will be billed: the documents and balance movements that follow, made and taken back."""
