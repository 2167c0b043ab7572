/** Where the page is, in the address's fragment: view, kind, ns, and an open object's name. */
export type Place = Readonly<Record<string, string | undefined>>;

export const place = (): Place => Object.fromEntries(new URLSearchParams(location.hash.slice(1)));

/** Changes parts of the place; undefined removes one. */
export function go(change: Place): void {
  const all = Object.entries({ ...place(), ...change }).filter(([, value]) => value);
  location.hash = new URLSearchParams(all as [string, string][]).toString();
}
