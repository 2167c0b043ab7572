import { Directory } from "./directory.ts";

/** Changes the permissions of a directory. Its path is trusted; a link under its name: ENOTDIR. */
export function setDirectoryMode(directory: string, mode: number): void {
  using held = Directory.open(directory);
  held.chmod(mode);
}
