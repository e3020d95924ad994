/** What is wanting of a new password, as far as the page can tell; the server decides. */
export function passwordWanting(password: string, repeat: string): 'tooShort' | 'differ' | '' {
  if (password.length < 12) return 'tooShort'
  return password === repeat ? '' : 'differ'
}
