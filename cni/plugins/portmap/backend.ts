import type { CniResult } from "../../lib/types.ts";
import type { PortmapConfig } from "./config.ts";

/** A kind of kernel rules that map ports; `comment` identifies their owner. */
export interface Backend {
  /** Maps a container's ports; error 11 (try again) for a host port of another container. */
  add(config: PortmapConfig, result: CniResult, comment: string): Promise<void>;
  /** Deletes the mappings whose comment `stale` accepts. */
  delete(stale: (comment: string) => boolean): Promise<void>;
  /** Error 102 if a mapping is not there. */
  check(config: PortmapConfig, result: CniResult, comment: string): Promise<void>;
  /** Throws when the kernel or a program for the rules is missing. */
  probe(): Promise<void>;
}
