/** Where the page is, in the address's fragment: view, kind, ns, and an open object's name. */
export type Place = Readonly<Record<string, string | undefined>>;

export const place = (): Place => Object.fromEntries(new URLSearchParams(location.hash.slice(1)));

/** Returns the place's address with some parts changed; undefined removes one. */
export function hrefOf(change: Place): string {
  const all = Object.entries({ ...place(), ...change }).filter(([, value]) => value);
  return `#${new URLSearchParams(all as [string, string][]).toString()}`;
}

export const go = (change: Place) => location.assign(hrefOf(change));
