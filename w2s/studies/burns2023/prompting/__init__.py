"""burns2023.prompting: few-shot prompts with weak and with true labels."""
