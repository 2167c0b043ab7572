import { CommandError } from "../terminal.ts";

/** Where registries really are, by the domain in image names. */
export type Registries = Readonly<Record<string, string>>;

/** Reads `docker.io=http://mirror:5000` and the like. Throws CommandError naming the flag. */
export function registriesOf(flag: string, pairs: readonly string[]): Registries {
  const read = pairs.map((pair) => {
    const [, domain, url] = /^([^=]+)=(https?:\/\/.+)$/.exec(pair) ?? [];
    if (domain && url && URL.canParse(url)) return [domain, url] as const;
    throw new CommandError("FLAG", `${flag}: not DOMAIN=http(s)://...: ${pair}`, {
      remedy: `such as ${flag}${flag.startsWith("-") ? " " : "="}docker.io=http://mirror:5000`,
    });
  });
  return Object.fromEntries(read);
}
