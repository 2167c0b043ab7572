/** The file type bits of mknod(2) and stat(2). */
export const FileType = { fifo: 0o010000, character: 0o020000, block: 0o060000 } as const;

/** The kernel's device number of `major:minor` (makedev(3)). */
export function deviceNumber(major: number, minor: number): number {
  const low = ((major & 0xfff) << 8) | (minor & 0xff) | ((minor & 0xfff00) << 12);
  return low >>> 0;
}

/** `major` and `minor` of a device number, as `rdev` in stat(2). */
export function splitDeviceNumber(device: number): { major: number; minor: number } {
  return { major: (device >>> 8) & 0xfff, minor: (device & 0xff) | ((device >>> 12) & 0xfff00) };
}
