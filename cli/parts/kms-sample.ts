import { startSampleKms } from "@raft2kube/encryption/sample/kms-plugin.ts";
import { type FlagsOf, type FlagTable, commandWith, required } from "../flags.ts";
import { runPart } from "./run-part.ts";
import { unixPath } from "./unix-path.ts";

const FLAGS = {
  "--listen <address>": required("the socket, unix:///path"),
  "--keys <file>": required("lines of a key's id and 32 bytes in base64; the first one encrypts"),
} as const satisfies FlagTable;

/** `r2k kms-sample`: the sample plugin for keys of encryption at rest. */
export const command = () =>
  commandWith("kms-sample", "Run the sample KMS plugin: keys in a file.", FLAGS, run);

async function run({ listen, keys }: FlagsOf<typeof FLAGS>): Promise<void> {
  await runPart("kms-sample", () => startSampleKms(unixPath("--listen", listen), keys));
}
