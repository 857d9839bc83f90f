"""What people look at: tables, figures and pages, made from what runs leave behind."""
