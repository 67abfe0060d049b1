// The preview: the picture of a network beside its text. It follows the text while it is written.

import * as path from 'node:path';
import * as vscode from 'vscode';
import { page } from './page';
import { run } from './program';

const PAUSE_MS = 250;
const panels = new Map<string, Preview>();

/** Show the picture of a document, or the panel that shows it already. */
export function showPreview(document: vscode.TextDocument): void {
  const key = document.uri.toString();
  const present = panels.get(key);
  if (present) {
    present.reveal();
    return;
  }
  panels.set(key, new Preview(document, () => panels.delete(key)));
}

class Preview {
  private readonly panel: vscode.WebviewPanel;
  private readonly listeners: vscode.Disposable[] = [];
  private timer: NodeJS.Timeout | undefined;
  private running: AbortController | undefined;
  private picture = '';

  constructor(
    private readonly document: vscode.TextDocument,
    private readonly closed: () => void,
  ) {
    this.panel = vscode.window.createWebviewPanel(
      'anet.preview',
      `Preview ${path.basename(document.fileName)}`,
      { viewColumn: vscode.ViewColumn.Beside, preserveFocus: true },
      { enableScripts: false, localResourceRoots: [] },
    );
    this.panel.onDidDispose(() => this.dispose());
    this.listeners.push(
      vscode.workspace.onDidChangeTextDocument(event => {
        if (event.document === this.document) {
          this.drawSoon();
        }
      }),
      vscode.workspace.onDidCloseTextDocument(document => {
        if (document === this.document) {
          this.panel.dispose();
        }
      }),
    );
    void this.draw();
  }

  reveal(): void {
    this.panel.reveal(undefined, true);
  }

  private drawSoon(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.draw(), PAUSE_MS);
  }

  private async draw(): Promise<void> {
    this.running?.abort(); // A newer text replaces it.
    const running = new AbortController();
    this.running = running;
    let message = '';
    try {
      const result = await run(
        ['render', '-', '-o', '-', '--format', 'svg'],
        this.document.getText(),
        running.signal,
      );
      if (result.code === 0) {
        this.picture = result.output;
      } else if (result.code === 1) {
        message = 'The text has errors; this is the last picture without errors.';
      } else {
        message = result.errors || 'anetc was stopped';
      }
    } catch (error) {
      message = `anetc cannot be started; set anet.server.path (${(error as Error).message})`;
    }
    if (this.running === running) {
      this.panel.webview.html = page(path.basename(this.document.fileName), this.picture, message);
    }
  }

  private dispose(): void {
    clearTimeout(this.timer);
    this.running?.abort();
    this.running = undefined;
    this.listeners.forEach(listener => listener.dispose());
    this.closed();
  }
}
