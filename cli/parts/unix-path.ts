import { CommandError } from "../terminal.ts";

/**
 * The path of a Unix socket given as `unix:///path` or `/path`. Throws CommandError naming `flag`.
 */
export function unixPath(flag: string, endpoint: string): string {
  const path = endpoint.startsWith("unix://") ? endpoint.slice("unix://".length) : endpoint;
  if (path.startsWith("/")) return path;
  throw new CommandError("FLAG", `${flag}: not the absolute path of a socket: ${endpoint}`);
}
