/** A page of ours to be shown after signing in; whatever else an address asks for, the first one. */
export function pageHere(to: string): string {
  const odd = /[\\\u0000-\u001f]/.test(to)
  return to.startsWith('/') && !to.startsWith('//') && !odd && !/^\/(sign-in|begin|api)\b/.test(to) ? to : '/'
}
