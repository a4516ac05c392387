"""Audits from the auditor's side: enrolling, answering what draws this watchtower, collecting its pay."""
