/** Tests read the first language's words, whatever Node says of this machine. */

import { i18n } from '@/i18n'

i18n.global.locale.value = 'zh-CN'
