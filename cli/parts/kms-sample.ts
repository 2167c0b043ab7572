import { startSampleKms } from "@raft2kube/encryption/sample/kms-plugin.ts";
import { commandWith, required } from "../flags.ts";
import { runPart } from "./run-part.ts";
import { unixPath } from "./unix-path.ts";

/** `r2k kms-sample`: the sample plugin for keys of encryption at rest. */
export const command = () =>
  commandWith(
    "kms-sample",
    "Run the sample KMS plugin: keys in a file.",
    {
      "--listen <address>": required("the socket, unix:///path"),
      "--keys <file>": required(
        "lines of a key's id and 32 bytes in base64; the first one encrypts",
      ),
    },
    async ({ listen, keys }) => {
      await runPart("kms-sample", () => startSampleKms(unixPath("--listen", listen), keys));
    },
  );
