def sections(o): return []
