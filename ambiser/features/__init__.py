"""Speech and text features, extracted once and kept in arks."""
