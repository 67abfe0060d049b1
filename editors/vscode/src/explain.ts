// "Explain finding": the text of `anetc explain` about the finding at the cursor, or about a chosen one.

import * as vscode from 'vscode';
import { run } from './program';

const SCHEME = 'anet-explain';

/** Return the provider of the documents that hold explanations. */
export function explanations(): vscode.Disposable {
  return vscode.workspace.registerTextDocumentContentProvider(SCHEME, {
    async provideTextDocumentContent(uri: vscode.Uri): Promise<string> {
      try {
        const result = await run(['explain', uri.query], '');
        return result.code === 0 ? result.output : result.errors;
      } catch (error) {
        return `anetc cannot be started; set anet.server.path (${(error as Error).message})`;
      }
    },
  });
}

/** Show the explanation of a code. Without a code, that of the finding at the cursor. */
export async function explain(code?: unknown): Promise<void> {
  const chosen = typeof code === 'string' ? code : (codeAtCursor() ?? (await chooseCode()));
  if (!chosen || !/^A\d{3}$/.test(chosen)) {
    return;
  }
  const uri = vscode.Uri.from({ scheme: SCHEME, path: `${chosen}.txt`, query: chosen });
  const document = await vscode.workspace.openTextDocument(uri);
  await vscode.window.showTextDocument(document, {
    viewColumn: vscode.ViewColumn.Beside,
    preview: true,
    preserveFocus: true,
  });
}

function codeAtCursor(): string | undefined {
  const editor = vscode.window.activeTextEditor;
  if (!editor || editor.document.languageId !== 'anet') {
    return undefined;
  }
  const found = vscode.languages.getDiagnostics(editor.document.uri);
  const place = editor.selection.active;
  const here =
    found.find(diagnostic => diagnostic.range.contains(place)) ??
    found.find(diagnostic => diagnostic.range.start.line === place.line);
  return here && codeOf(here);
}

function codeOf(diagnostic: vscode.Diagnostic): string | undefined {
  const code = diagnostic.code;
  const value = typeof code === 'object' ? code.value : code;
  return value === undefined ? undefined : String(value);
}

/** Let the user choose one of all codes. */
async function chooseCode(): Promise<string | undefined> {
  try {
    const result = await run(['explain'], '');
    const lines = result.output.split(/\r?\n/).filter(line => /^A\d{3} /.test(line));
    const chosen = await vscode.window.showQuickPick(lines, { placeHolder: 'The finding to explain' });
    return chosen?.slice(0, 4);
  } catch (error) {
    void vscode.window.showErrorMessage(
      `anetc cannot be started; set anet.server.path (${(error as Error).message})`,
    );
    return undefined;
  }
}
