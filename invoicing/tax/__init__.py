"""Tax: which rate applies (billing rules 12), and how an invoice's tax is worked out and split over its lines. Pure."""

from invoicing.tax.compute import NO_TAX, LineTax, TaxTerms, tax_lines, tax_on
from invoicing.tax.rates import RateFacts, rate_for

__all__ = ["NO_TAX", "LineTax", "RateFacts", "TaxTerms", "rate_for", "tax_lines", "tax_on"]
