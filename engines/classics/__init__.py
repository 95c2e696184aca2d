"""The networks of the field's first wave, each as its paper draws it: trained, exported and compared like our own."""
