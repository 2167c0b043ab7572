import { type FSWatcher, watch } from "node:fs";
import { isErrno } from "@raft2kube/std/errors.ts";

/** Reports changes in one directory, until it is closed. */
export interface FileEvents {
  close(): void;
}

/**
 * Calls `changed` with a name whenever something of that name changes in a directory (inotify(7));
 * null stands for any. `lost` is called once there are no events, or no more: then the caller has
 * to look by itself. That is never an error, as what inotify gives out is counted by user, and a
 * container whose processes are of the same user can have taken all of it. Throws when the
 * directory cannot be watched for another reason (ENOENT).
 */
export function watchDirectory(
  directory: string,
  changed: (name: string | null) => void,
  lost: (error: unknown) => void,
): FileEvents {
  let watcher: FSWatcher;
  try {
    watcher = watch(directory, (_, name) => changed(name));
  } catch (error) {
    if (!isErrno(error, "EMFILE", "ENOSPC")) throw error;
    lost(error);
    return { close: () => undefined };
  }
  watcher.on("error", (error) => {
    watcher.close();
    lost(error);
  });
  return watcher;
}
