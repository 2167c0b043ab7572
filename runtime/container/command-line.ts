import type { ContainerConfig } from "@raft2kube/proto/gen/cri.ts";
import { RuntimeError } from "../errors.ts";
import type { ImageDefaults } from "../image/config.ts";

const DEFAULT_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/**
 * Returns the container's arguments. A command replaces the image's entrypoint and its arguments;
 * arguments alone replace the image's (Kubernetes, "Define a Command and Arguments for a
 * Container").
 */
export function commandLine(config: ContainerConfig, image: ImageDefaults): string[] {
  const { command, args } = config;
  const line =
    command.length > 0
      ? [...command, ...args]
      : [...(image.Entrypoint ?? []), ...(args.length > 0 ? args : (image.Cmd ?? []))];
  if (line.length > 0) return line;
  throw new RuntimeError("invalid-argument", "no command: neither the pod nor the image names one");
}

/**
 * Returns the environment: PATH, HOSTNAME and HOME first, overridden by the image's, then by the
 * pod's. HOME is always set: without it the OCI runtime reads the container's /etc/passwd, which a
 * volume can make a FIFO without a writer.
 */
export function environment(
  config: ContainerConfig,
  image: ImageDefaults,
  { hostname, home }: { hostname: string; home: string },
): string[] {
  const variables = new Map<string, string>();
  const set = (pair: string) => {
    const equals = pair.indexOf("=");
    if (equals > 0) variables.set(pair.slice(0, equals), pair);
  };
  set(DEFAULT_PATH);
  set(`HOME=${home || "/"}`);
  if (hostname) set(`HOSTNAME=${hostname}`);
  if (config.tty) set("TERM=xterm");
  for (const pair of image.Env ?? []) set(pair);
  for (const { key, value } of config.envs) variables.set(key, `${key}=${value}`);
  return [...variables.values()];
}
