import { describe, expect, it } from 'vitest'
import { pageHere } from '@/pages/accounts/pageHere'
import { passwordWanting } from '@/pages/accounts/passwords'

describe('after signing in', () => {
  it.each(['/', '/projects/P06?tab=1#x', '/sessions/中/replay', '/accounts'])('%s is shown', (to) => {
    expect(pageHere(to)).toBe(to)
  })

  it.each(['', 'https://evil.example', '//evil.example', '/\\evil.example', 'javascript:x', '/a\nb', '/sign-in?to=/x', '/begin', '/api/me'])(
    'the first page is shown instead of %j',
    (to) => {
      expect(pageHere(to)).toBe('/')
    },
  )
})

describe('a new password', () => {
  it('wants twelve characters, twice the same', () => {
    expect(passwordWanting('short', 'short')).toBe('tooShort')
    expect(passwordWanting('stone river lamp', 'stone river lamb')).toBe('differ')
    expect(passwordWanting('stone river lamp', 'stone river lamp')).toBe('')
  })
})
