// The extension: the language server, and the commands.

import * as vscode from 'vscode';
import { LanguageClient, type LanguageClientOptions, type ServerOptions } from 'vscode-languageclient/node';
import { explain, explanations } from './explain';
import { showPreview } from './preview';
import { program, settings } from './program';

let client: LanguageClient | undefined;

export async function activate(context: vscode.ExtensionContext): Promise<void> {
  context.subscriptions.push(
    explanations(),
    vscode.commands.registerCommand('anet.preview', () => {
      const document = vscode.window.activeTextEditor?.document;
      if (document?.languageId === 'anet') {
        showPreview(document);
      } else {
        void vscode.window.showInformationMessage('Open a .anet file first.');
      }
    }),
    vscode.commands.registerCommand('anet.explain', explain),
    vscode.commands.registerCommand('anet.restart', restart),
    vscode.workspace.onDidChangeConfiguration(event => {
      if (event.affectsConfiguration('anet.server.path')) {
        void restart();
      }
    }),
  );
  await start();
}

export async function deactivate(): Promise<void> {
  await client?.dispose();
}

async function restart(): Promise<void> {
  await client?.dispose().catch(() => undefined);
  await start();
}

async function start(): Promise<void> {
  const server: ServerOptions = { command: program(), args: ['lsp'] };
  const { frames, size, search, allow } = settings() as unknown as Record<string, unknown>;
  const options: LanguageClientOptions = {
    documentSelector: [{ language: 'anet' }],
    initializationOptions: { frames, size, search, allow },
    synchronize: { configurationSection: 'anet' },
  };
  client = new LanguageClient('anet', 'AnetDSL', server, options);
  try {
    await client.start();
  } catch (error) {
    void vscode.window.showErrorMessage(
      `The language server cannot be started: ${(error as Error).message}. ` +
        "Install it with pip install 'anetdsl[editor]', and set anet.server.path to its anetc.",
    );
  }
}
