"""What a quality manager signs: plan, acceptance, agreement of appraisers, payback, comparison."""
