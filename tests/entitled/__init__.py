"""What a consumer receives, held against what its agreement gives, over invented documents.

`documents` invents contracts and agreements, `histories` what providers do, `exchange` plays the
bus's pure parts between them, and `entitlement` says by its own words what each agreement gives.
"""
