import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline/promises";
import { withFileErrors } from "../file-errors.ts";
import { CommandError } from "../terminal.ts";
import { PASSPHRASE_BYTES_MAX, PASSPHRASE_LENGTH_MIN } from "./limits.ts";

const refused = (why: string, remedy = "--passphrase-file FILE, whose first line it is") =>
  new CommandError("PASSPHRASE", why, { remedy });

/**
 * The passphrase of a backup: the first line of a file, or what is typed at the terminal, which
 * does not show it; twice, if it is `chosen` now. Throws CommandError `PASSPHRASE`, `NO_FILE`.
 */
export async function passphraseOf(file: string | undefined, chosen: boolean): Promise<string> {
  const text = file === undefined ? await typed(chosen) : await fromFile(file);
  if (!chosen || text.length >= PASSPHRASE_LENGTH_MIN) return text;
  const why = `the passphrase has fewer than ${PASSPHRASE_LENGTH_MIN} characters`;
  throw refused(why, "choose a longer one: several words");
}

async function fromFile(file: string): Promise<string> {
  const content = await withFileErrors(file, () => readFile(file));
  const [line = ""] = content.subarray(0, PASSPHRASE_BYTES_MAX).toString("utf8").split(/\r?\n/, 1);
  if (content.length <= PASSPHRASE_BYTES_MAX && line !== "") return line;
  throw refused(`${file} has no line of up to ${PASSPHRASE_BYTES_MAX} bytes`);
}

async function typed(twice: boolean): Promise<string> {
  if (!process.stdin.isTTY) throw refused("there is no terminal to ask for the passphrase");
  // Without an output it shows nothing of what is typed.
  const lines = createInterface({ input: process.stdin, terminal: true });
  const ask = async (question: string) => {
    process.stderr.write(question);
    const answer = await lines.question("");
    process.stderr.write("\n");
    return answer;
  };
  try {
    const first = await ask("Passphrase of the backup: ");
    if (!twice || (await ask("Once more: ")) === first) return first;
    throw refused("the two passphrases differ");
  } finally {
    lines.close();
  }
}
