"""Plain torch layers of hierarchical VAEs: blocks, cells, changes of resolution, likelihoods.

They know no spec and no IR. Inside, tensors are [B, C, H, W]; images and likelihood targets are [B, H, W, C].
"""
