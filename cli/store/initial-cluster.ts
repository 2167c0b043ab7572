import { SettingError } from "./flag-error.ts";

/** `a=http://x:1,a=http://y:1,b=http://z:1`: a member with several URLs comes several times. */
export function clusterOf(text: string): Record<string, string[]> {
  const members: Record<string, string[]> = {};
  for (const part of text.split(",")) {
    const [name, url] = [part.slice(0, part.indexOf("=")), part.slice(part.indexOf("=") + 1)];
    if (!part.includes("=") || name === "" || !/^(https?|unix):\/\//.test(url)) {
      throw new SettingError(`--initial-cluster: NAME=URL is needed, got ${part}`);
    }
    (members[name] ??= []).push(url);
  }
  return members;
}
