import { configureLog, type LogLevel } from "@raft2kube/observe/log.ts";
import { SettingError } from "./flag-error.ts";
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
    throw new SettingError(`--log-level: unrecognized level: "${settings.text("log-level")}"`);
  }
  const outputs = settings.list("log-outputs");
  if (outputs.length !== 1) {
    const one = "one output is needed: default, stderr, stdout or a file";
    throw new SettingError(`--log-outputs: ${one}`);
  }
  const [output = "default"] = outputs;
  if (output.startsWith("systemd/")) {
    throw new SettingError("--log-outputs: journald is not written to");
  }
  const fixed: Readonly<Record<string, number>> = { default: 2, stderr: 2, stdout: 1 };
  configureLog({ level, output: fixed[output] ?? output });
}
