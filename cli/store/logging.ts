import { type LogLevel, configureLog } from "@raft2kube/observe/log.ts";
import { destination } from "pino";
import { FlagError } from "./flag-error.ts";
import type { Settings } from "./settings.ts";

const LEVELS: Readonly<Record<string, LogLevel>> = {
  debug: "debug",
  info: "info",
  warn: "warn",
  error: "error",
  // Above an error nothing is written: the process ends with its last words on standard error.
  panic: "error",
  fatal: "error",
};

/** etcd's --log-level and --log-outputs. */
export function configureLogging(settings: Settings): void {
  const level = LEVELS[settings.text("log-level")];
  if (level === undefined) {
    throw new FlagError(`--log-level: unrecognized level: "${settings.text("log-level")}"`);
  }
  const outputs = settings.list("log-outputs");
  if (outputs.length !== 1) {
    throw new FlagError("--log-outputs: one output is needed: default, stderr, stdout or a file");
  }
  const [output = "default"] = outputs;
  if (output.startsWith("systemd/")) {
    throw new FlagError("--log-outputs: journald is not written to");
  }
  const fixed: Readonly<Record<string, number>> = { default: 2, stderr: 2, stdout: 1 };
  const fd = fixed[output];
  const stream = fd === undefined
    ? destination({ dest: output, append: true, mkdir: false, sync: true })
    : destination({ fd, sync: true });
  configureLog({ level, stream });
}
