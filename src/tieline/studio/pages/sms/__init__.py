"""Build, SMS: templates, messages, opt-outs, and the registration of US and Canadian senders."""
