"""For the tests of those who build on Pillarbox: conformance kits that a plug-in can be run against."""
