//! The plan: from limits to settings for the child.
