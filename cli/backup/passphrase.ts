import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { messageOf } from "@raft2kube/std/errors.ts";
import { CommandError } from "../terminal.ts";
import { PASSPHRASE_BYTES_MAX, PASSPHRASE_LENGTH_MIN } from "./limits.ts";

const REMEDY = "--passphrase-file FILE, whose first line it is";

/**
 * The passphrase of a backup: the first line of a file, or what is typed at the terminal, which
 * does not show it; twice, if it is `chosen` now. Throws CommandError `PASSPHRASE`.
 */
export async function passphraseOf(
  file: string | undefined,
  { chosen }: { chosen: boolean },
): Promise<string> {
  const text = file === undefined ? await typed(chosen) : await fromFile(file);
  if (chosen && text.length < PASSPHRASE_LENGTH_MIN) {
    const what = `the passphrase has fewer than ${PASSPHRASE_LENGTH_MIN} characters`;
    throw new CommandError("PASSPHRASE", what, { remedy: "choose a longer one: several words" });
  }
  return text;
}

async function fromFile(file: string): Promise<string> {
  const content = await readFile(file).catch((cause: unknown) => {
    const what = `--passphrase-file: ${messageOf(cause)}`;
    throw new CommandError("PASSPHRASE", what, { cause, remedy: "name a file that can be read" });
  });
  const [line = ""] = content.subarray(0, PASSPHRASE_BYTES_MAX).toString("utf8").split(/\r?\n/, 1);
  if (content.length > PASSPHRASE_BYTES_MAX || line === "") {
    const what = `--passphrase-file: ${file} has no line of up to ${PASSPHRASE_BYTES_MAX} bytes`;
    throw new CommandError("PASSPHRASE", what, { remedy: REMEDY });
  }
  return line;
}

async function typed(twice: boolean): Promise<string> {
  if (!process.stdin.isTTY) {
    throw new CommandError("PASSPHRASE", "there is no terminal to ask for the passphrase", {
      remedy: REMEDY,
    });
  }
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output: silent, terminal: true });
  silent.on("error", () => lines.close());
  const ask = async (question: string) => {
    process.stderr.write(question);
    const answer = await lines.question("");
    process.stderr.write("\n");
    return answer;
  };
  try {
    const first = await ask("Passphrase of the backup: ");
    if (!twice || (await ask("Once more: ")) === first) return first;
    throw new CommandError("PASSPHRASE", "the two passphrases differ");
  } finally {
    lines.close();
  }
}
