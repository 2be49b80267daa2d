#!/usr/lib/pushwake/bin/node --max-semi-space-size=4
// In the image this is /usr/bin/pushwake, in place of the packages' shell script: there is no shell.
void import('/usr/lib/pushwake/dist/plugin/cli.js');
