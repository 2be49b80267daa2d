import type { Command } from 'commander';
export function addInit(_program: Command): void {}
