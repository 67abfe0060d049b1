// Run anetc with a text on standard input.

import { spawn } from 'node:child_process';
import * as vscode from 'vscode';

const LIMIT_MS = 20_000;

export interface Result {
  code: number | null;
  output: string;
  errors: string;
}

/** Return the settings of the extension. */
export function settings(): vscode.WorkspaceConfiguration {
  return vscode.workspace.getConfiguration('anet');
}

/** Return the program anetc of the settings. */
export function program(): string {
  return settings().get<string>('server.path', 'anetc');
}

/** Run anetc. Reject if it cannot be started, takes too long, or is cancelled by `signal`. */
export function run(options: string[], input: string, signal?: AbortSignal): Promise<Result> {
  return new Promise((resolve, reject) => {
    const child = spawn(program(), options, { signal, timeout: LIMIT_MS, windowsHide: true });
    const output: Buffer[] = [];
    const errors: Buffer[] = [];
    child.stdout.on('data', (data: Buffer) => output.push(data));
    child.stderr.on('data', (data: Buffer) => errors.push(data));
    child.on('error', reject);
    child.on('close', code =>
      resolve({
        code,
        output: Buffer.concat(output).toString('utf8'),
        errors: Buffer.concat(errors).toString('utf8'),
      }),
    );
    child.stdin.on('error', () => undefined); // The program may end before it has read everything.
    child.stdin.end(input, 'utf8');
  });
}
